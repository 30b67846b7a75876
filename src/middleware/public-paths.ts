// Paths that need no identity. They are compared with the path as the router sees it, and only if it is in its plain form:
// an escape, an empty or a dot segment is never public, whatever a proxy or a router would make of it.

import { isPlainPath, rawPath } from '../core/http-request.ts'
import { ConfigurationError } from '../errors.ts'

/**
 * A test for `paths`: `/health` is that path alone; `/assets/`, with the slash, is everything below it.
 *
 * @throws {ConfigurationError} when a path is not in plain form, or is `/` (as a prefix it would open everything).
 */
export function publicPathTest(paths: readonly string[]): (target: string) => boolean {
  for (const path of paths) {
    if (!isPlainPath(path) || path === '/')
      throw new ConfigurationError(`${JSON.stringify(path)} cannot be a public path. Write /health, or /assets/ for all below it.`)
  }
  const exact = new Set(paths.filter((path) => !path.endsWith('/')))
  const prefixes = paths.filter((path) => path.endsWith('/'))
  return function isPublic(target) {
    const path = rawPath(target)
    return isPlainPath(path) && (exact.has(path) || prefixes.some((prefix) => path.startsWith(prefix)))
  }
}
