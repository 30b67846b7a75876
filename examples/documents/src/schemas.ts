// One schema for everything that comes in and goes out: Fastify validates with it, TypeScript infers from it, and
// /openapi.json is made of it.

import { type Static, Type } from '@fastify/type-provider-typebox'
import type { AuditOutcome } from 'partywall'

/** Text that PostgreSQL can hold: it has no NUL. */
const text = (lengthMin: number, lengthMax: number) => Type.String({ minLength: lengthMin, maxLength: lengthMax, pattern: '^[^\\u0000]*$' })

/** Canonical form alone, so that one id has one spelling. */
const id = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' })
const time = Type.String({ format: 'date-time' })
const maybeId = Type.Union([id, Type.Null()])

const title = text(1, 200)
const content = text(0, 100_000)

/** Nothing is coerced and nothing dropped: what is not named here, `tenant_id` above all, is refused. */
const strict = { additionalProperties: false } as const

export const idParams = Type.Object({ id }, strict)

/** A query is text, so numbers are too. */
export const pageQuery = Type.Object(
  {
    limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|100)$', description: '1 to 100; 20 if absent' })),
    cursor: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: '`nextCursor` of the page before' })),
  },
  strict,
)

export const documentQuery = Type.Object(
  { ...pageQuery.properties, q: Type.Optional(Type.String({ ...text(1, 200), description: 'Text in the title or the content' })) },
  strict,
)

export const newDocument = Type.Object({ title, content: Type.Optional(content), authorId: Type.Optional(maybeId) }, strict)
export const documentChange = Type.Object({ title: Type.Optional(title), content: Type.Optional(content) }, { ...strict, minProperties: 1 })

const documentFields = { id, title, content, authorId: maybeId, createdAt: time, updatedAt: time }
export const document = Type.Object(documentFields)
export const documentWithAuthor = Type.Object({
  ...documentFields,
  author: Type.Union([Type.Object({ id, name: Type.String() }), Type.Null()]),
})
const nextCursor = Type.Union([Type.String(), Type.Null()])
export const documentPage = Type.Object({ documents: Type.Array(document), nextCursor })
export const count = Type.Object({ count: Type.Integer() })

export const newUser = Type.Object({ email: Type.Intersect([text(3, 254), Type.String({ format: 'email' })]), name: text(1, 200) }, strict)
export const user = Type.Object({ id, email: Type.String(), name: Type.String(), createdAt: time })
export const userPage = Type.Object({ users: Type.Array(user), nextCursor })

const outcome = Type.Union(
  ['begun', 'done', 'rolled_back', 'refused', 'failed', 'unknown'].map((name) => Type.Literal(name as AuditOutcome)),
)
export const auditQuery = Type.Object(
  {
    limit: pageQuery.properties.limit,
    cursor: Type.Optional(Type.String({ pattern: '^[0-9]{1,18}/[0-9]{1,16}$', description: '`nextCursor` of the page before' })),
    outcome: Type.Optional(outcome),
  },
  strict,
)
export const auditPage = Type.Object({ entries: Type.Array(Type.Any()), nextCursor })

/** RFC 9457, as partywall answers. */
export const problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.Optional(Type.String()),
  requestId: Type.String(),
})

export type NewDocument = Static<typeof newDocument>
export type DocumentChange = Static<typeof documentChange>
export type Document = Static<typeof document>
export type NewUser = Static<typeof newUser>
export type User = Static<typeof user>
