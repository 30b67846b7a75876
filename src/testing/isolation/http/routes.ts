// Every route of an application: from its OpenAPI document, or from the framework's own table.

import type { InjectableApp, KitApp } from './door.ts'

/** As much of JSON Schema as samples are made of. */
export interface Schema {
  readonly type?: string | readonly string[]
  readonly format?: string
  readonly pattern?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly $ref?: string
}

export interface Route {
  readonly method: string
  /** With parameters as `{id}`. */
  readonly path: string
  readonly query: readonly string[]
  readonly body: Schema | undefined
}

/** As much of OpenAPI 3 as names routes. */
export interface OpenApi {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> }
}

interface OpenApiOperation {
  readonly parameters?: readonly { readonly in?: string; readonly name?: string }[]
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }
}

const methods = ['get', 'post', 'put', 'patch', 'delete']

/** Routes in the order of the list: an OpenAPI document, or `GET /documents/:id` and so on. */
export function routesOf(given: OpenApi | readonly string[]): readonly Route[] {
  if (Array.isArray(given)) return (given as readonly string[]).map(routeOf)
  const { paths = {}, components } = given as OpenApi
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => methods.includes(method))
      .map(([method, value]): Route => {
        const { parameters = [], requestBody } = value as OpenApiOperation
        const body = Object.values(requestBody?.content ?? {})[0]?.schema
        return {
          method: method.toUpperCase(),
          path,
          query: parameters.filter((each) => each.in === 'query').map(({ name = '' }) => name),
          body: body && resolved(body, components?.schemas ?? {}),
        }
      }),
  )
}

/** What an application says of itself; undefined when it does not. */
export function ownRoutes(app: KitApp): readonly Route[] | undefined {
  if (typeof app !== 'object' || app instanceof URL || !('inject' in app)) return undefined
  const { swagger, printRoutes } = app as InjectableApp
  if (typeof swagger === 'function') return routesOf((app as InjectableApp).swagger?.() as OpenApi)
  return typeof printRoutes === 'function' ? printed((app as InjectableApp).printRoutes?.({ commonPrefix: false }) ?? '') : undefined
}

/** Fastify prints its table as a tree: `├── /documents (GET, HEAD)`, and below it `│   └── /:id (GET)`. */
function printed(tree: string): readonly Route[] {
  const above: string[] = []
  return tree.split('\n').flatMap((line) => {
    const found = /^([│ ]*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line)
    if (found === null) return []
    const depth = (found[1]?.length ?? 0) / 4
    above.length = depth
    above.push(found[2] ?? '')
    return (found[3] ?? '')
      .split(', ')
      .filter((method) => methods.includes(method.toLowerCase()))
      .map((method) => routeOf(`${method} ${above.join('')}`))
  })
}

function routeOf(line: string): Route {
  const [method = 'GET', path = '/'] = line.trim().split(/\s+/)
  return { method: method.toUpperCase(), path: path.replaceAll(/:([A-Za-z_]\w*)(\([^)]*\))?/g, '{$1}'), query: [], body: undefined }
}

/** Without references: the document's own schemas are put in their place, to a depth at which no sample looks any more. */
function resolved(schema: Schema, known: Readonly<Record<string, Schema>>, depth = 0): Schema {
  if (depth > 8) return {}
  const name = /^#\/components\/schemas\/(.+)$/.exec(schema.$ref ?? '')?.[1]
  if (name !== undefined) return resolved(known[name] ?? {}, known, depth + 1)
  const each = (list: readonly Schema[] | undefined) => list?.map((one) => resolved(one, known, depth + 1))
  const { anyOf, oneOf, allOf, properties, items, ...rest } = schema
  return {
    ...rest,
    ...(anyOf && { anyOf: each(anyOf) ?? [] }),
    ...(oneOf && { oneOf: each(oneOf) ?? [] }),
    ...(allOf && { allOf: each(allOf) ?? [] }),
    ...(items && { items: resolved(items, known, depth + 1) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([key, one]) => [key, resolved(one, known, depth + 1)])),
    }),
  }
}
