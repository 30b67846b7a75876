// How attacks ask: the route's own method, and a body that it would take.

import { randomUUID } from 'node:crypto'
import type { KitAnswer } from './door.ts'
import type { HttpStage, HttpTarget } from './http-stage.ts'
import { sampleOf } from './sample.ts'

/** Undefined where a request has none. */
export function bodyOf({ route }: HttpTarget): unknown {
  return route.method === 'GET' || route.method === 'DELETE' ? undefined : sampleOf(route.body, `new-${randomUUID().slice(0, 8)}`)
}

/** As the attacker. */
export async function asked(
  stage: HttpStage,
  target: HttpTarget,
  path: string,
  rest: { readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown } = {},
): Promise<KitAnswer> {
  return await stage.ask({ method: target.route.method, path, body: bodyOf(target), ...rest })
}

/** Half a character cannot be sent in a URL: it is made a whole one. */
export function withQuery(path: string, name: string, value: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value.toWellFormed())}`
}
