"""Drawing: figures that are the same bytes every time, each readable without colour and offline."""
