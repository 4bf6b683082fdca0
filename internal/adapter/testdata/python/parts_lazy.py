TEXT = "lazy"
