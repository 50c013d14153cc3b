"""Measures on throwaway servers, beside bare floors in the same run: only the ratios travel between machines."""
