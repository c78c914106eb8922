"""The day's clearing file: read and checked as a whole, posted row by row over the admin socket, and reported on."""
