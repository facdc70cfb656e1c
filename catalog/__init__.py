"""The vocabulary as tables: reports, dimensions, metrics, filters, periods, channels, errors and the one query value."""
