"""Causal tests: does an answer depend on the place that its model attends to?"""
