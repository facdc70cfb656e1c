"""Answering: the loader collects questions, the planner fuses them into scans, answers are cut out of the scans."""
