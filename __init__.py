"""fanin: many questions in, few scans, every answer in its documented shape out."""
