"""What osloshark costs: `make bench` beside its peers, `make growth` as captures grow, `make instructions` by stage."""
