"""Operations on graphs: each a definition in plain PyTorch, and a faster form that gives the same."""
