/**
 * For the package itself: what a development server takes where it has lost the file with the Wasm. Apps import from
 * `kuratchi-spaces/inline` instead.
 *
 * @internal
 */
export const CLIENT_WASM: string | undefined;
