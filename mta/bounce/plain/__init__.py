"""Failure notices written for people: no fields, but most mail systems write one of a few forms of text."""
