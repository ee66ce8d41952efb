"""Small programs that run as sessions: an image takes them into its environment, whose packages they use.

Nothing of the platform imports them, and they import nothing of the platform.
"""
