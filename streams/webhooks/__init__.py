"""Alerts to those who subscribed: who is told what, where, and in which words; and the worker that tells them."""
