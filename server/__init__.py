"""The HTTP house: GraphQL view, GraphiQL, probes, request ids, security headers."""
