// Users in SQL, and their names in the tenant's cache.

import { ConstraintError, RowNotFoundError, type Tenancy } from 'partywall'
import { type Page, type PageQuery, page } from './page.ts'
import type { NewUser, User } from './schemas.ts'
import { violates } from './violation.ts'

interface UserRow {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly created_at: Date
}

const columns = 'id, email, name, created_at'

/** @throws {ConstraintError} when this tenant has a user of that address. */
export async function createUser(tenancy: Tenancy, input: NewUser): Promise<User> {
  try {
    const { rows } = await tenancy.query<UserRow>(`insert into users (email, name) values ($1, $2) returning ${columns}`, [
      input.email,
      input.name,
    ])
    return userOf(rows[0])
  } catch (error) {
    if (violates(error, 'users_email_key')) throw new ConstraintError('A user has this address already.', { cause: error })
    throw error
  }
}

/** @throws {RowNotFoundError} */
export async function getUser(tenancy: Tenancy, id: string): Promise<User> {
  const { rows } = await tenancy.query<UserRow>(`select ${columns} from users where id = $1`, [id])
  return userOf(rows[0])
}

/** Newest first. */
export async function listUsers(tenancy: Tenancy, query: PageQuery): Promise<Page<User>> {
  return await page(tenancy, query, async (before, limit) => {
    const { rows } = await tenancy.query<UserRow>(
      `select ${columns} from users where ($1::uuid is null or id < $1::uuid) order by id desc limit $2`,
      [before, limit],
    )
    return rows.map(userOf)
  })
}

/**
 * Who wrote a document. Users do not change here, so a name from the cache is as good as a fresh one. The document itself
 * is never cached: an answer without a statement would be one that a suspended tenant could still get.
 */
export async function authorOf(
  tenancy: Tenancy,
  document: { readonly authorId: string | null },
): Promise<{ id: string; name: string } | null> {
  const { authorId } = document
  if (authorId === null) return null
  return await tenancy.cache().getOrLoad('author', authorId, async () => {
    const { id, name } = await getUser(tenancy, authorId)
    return { id, name }
  })
}

function userOf(row: UserRow | undefined): User {
  if (row === undefined) throw new RowNotFoundError('This tenant has no such user.')
  return { id: row.id, email: row.email, name: row.name, createdAt: row.created_at.toISOString() }
}
