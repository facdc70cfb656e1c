"""The GraphQL schema, made from the catalog."""
