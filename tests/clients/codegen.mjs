// graphql-codegen: types of our schema and of GraphiQL's examples, into the file given.
import { generate } from "@graphql-codegen/cli";

await generate({
  silent: true,
  schema: "../../schema.graphql",
  documents: "../../server/static/graphiql/examples/*.graphql",
  generates: { [process.argv[2]]: { plugins: ["typescript", "typescript-operations"] } },
  config: {
    strictScalars: true,
    scalars: { Date: "string", Decimal: "string" },
  },
});
