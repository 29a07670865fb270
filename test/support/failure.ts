/** What a promise is rejected with; a text when it is not, so that a comparison fails in words. */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'it did not fail',
    (error: unknown) => error,
  );
}

export function code(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
