/** What stopped a connection, in words: a driver's error of several addresses has its text in those that it gathers. */
export function connectionProblem(error: unknown): string {
  if (error instanceof AggregateError) {
    const texts = error.errors.map(connectionProblem);
    return [...new Set(texts)].join('; ');
  }
  const text = error instanceof Error ? error.message || codeOf(error) : String(error);
  return text.replace(/[.\s]+$/, '');
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.name;
}
