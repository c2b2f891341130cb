"""The process and what it runs on; imports no other layer."""
