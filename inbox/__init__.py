"""Madoguchi's engine: tables, transactions, mail protocols and use cases. Never imports web."""
