// Errors of PostgreSQL that are the client's doing. Class 23: https://www.postgresql.org/docs/current/errcodes-appendix.html

/** Did the database refuse the statement because of this constraint? */
export function violates(error: unknown, constraint: string): boolean {
  return error instanceof Error && 'constraint' in error && error.constraint === constraint
}
