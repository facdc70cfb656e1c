"""The legacy door: batch plans, their order, their translation into GraphQL executions, and the documented JSON back."""
