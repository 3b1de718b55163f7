"""What curvwidget costs, beside other packages: scripts that write ``benchmarks/results/*.json``."""
