"""Lists of search engines, social networks, AI assistants and spam referrers; see README.md."""
