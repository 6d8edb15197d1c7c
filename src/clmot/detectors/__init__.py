"""Any detector as the eyes of the tracker: adapters of libraries, and the embedding head that is attached to them."""
