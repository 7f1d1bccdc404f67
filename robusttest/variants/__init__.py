"""Cases × perturbations → variants: expansion, selection, and the two homes of kept variants."""
