"""The routes of the framework, one file per noun; each names its handlers in HANDLERS."""
