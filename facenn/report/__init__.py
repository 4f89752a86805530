"""Pictures a person looks at: the page of a fit, loss and training curves, captioned sheets."""
