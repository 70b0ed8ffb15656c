"""Finished results told three ways: pictures, a Markdown page, tables for the terminal.

Pure: a summary comes in, text, bytes or renderables go out. Nothing here reads or writes a file.
"""
