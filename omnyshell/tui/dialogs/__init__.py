"""Dialogs: forms and questions on top of a screen."""
