"""What the user wrote: rows of files → `Case`, and a `Task` that renders them."""
