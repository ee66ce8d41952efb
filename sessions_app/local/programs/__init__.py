"""Small programs that run as sessions: an image takes them into its environment, whose packages they use.

They import nothing of the platform.
"""
