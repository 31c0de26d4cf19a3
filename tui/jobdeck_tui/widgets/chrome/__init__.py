"""The frame of every screen: header, tabs, key hints."""
