"""Where the numbers live: fact tables behind one small protocol, and the statements that read them."""
