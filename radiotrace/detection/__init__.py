"""Detection: what an image shows, of which class, and the box of each; of pictures and of volumes."""
