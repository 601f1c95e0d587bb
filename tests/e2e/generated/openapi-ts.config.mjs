// Imports name whole files, so that Node runs what was generated as it is.
export default {
  input: "openapi.json",
  output: { path: "client", importFileExtension: ".ts" },
};
