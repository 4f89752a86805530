"""Prefect: order, names and forms around the steps; no maths."""
