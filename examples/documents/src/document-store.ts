// Documents in SQL. No statement names the tenant: whoever calls is inside one, and the database keeps it to that.

import { InvalidInputError, RowNotFoundError, type Tenancy } from 'partywall'
import { type Page, type PageQuery, page } from './page.ts'
import type { Document, DocumentChange, NewDocument } from './schemas.ts'
import { violates } from './violation.ts'

interface DocumentRow {
  readonly id: string
  readonly title: string
  readonly content: string
  readonly author_id: string | null
  readonly created_at: Date
  readonly updated_at: Date
}

const columns = 'id, title, content, author_id, created_at, updated_at'

/** @throws {InvalidInputError} when this tenant has no such author; whether another has one cannot be told. */
export async function createDocument(tenancy: Tenancy, input: NewDocument): Promise<Document> {
  try {
    const { rows } = await tenancy.query<DocumentRow>(
      `insert into documents (title, content, author_id) values ($1, $2, $3) returning ${columns}`,
      [input.title, input.content ?? '', input.authorId ?? null],
    )
    return documentOf(one(rows))
  } catch (error) {
    if (violates(error, 'documents_author_fkey')) throw new InvalidInputError('There is no such author.', { cause: error })
    throw error
  }
}

/** @throws {RowNotFoundError} */
export async function getDocument(tenancy: Tenancy, id: string): Promise<Document> {
  const { rows } = await tenancy.query<DocumentRow>(`select ${columns} from documents where id = $1`, [id])
  return documentOf(one(rows))
}

/** Newest first. With `q`: those whose title or content has that text, whatever its case. */
export async function listDocuments(tenancy: Tenancy, query: PageQuery & { readonly q?: string | undefined }): Promise<Page<Document>> {
  return await page(tenancy, query, async (before, limit) => {
    const { rows } = await tenancy.query<DocumentRow>(
      `select ${columns}
         from documents
        where ($1::uuid is null or id < $1::uuid)
          and ($2::text is null or position(lower($2::text) in lower(title || ' ' || content)) > 0)
        order by id desc
        limit $3`,
      [before, query.q ?? null, limit],
    )
    return rows.map(documentOf)
  })
}

export async function countDocuments(tenancy: Tenancy): Promise<number> {
  const { rows } = await tenancy.query<{ count: number }>('select count(*)::int as count from documents')
  return one(rows).count
}

/** @throws {RowNotFoundError} */
export async function updateDocument(tenancy: Tenancy, id: string, change: DocumentChange): Promise<Document> {
  const { rows } = await tenancy.query<DocumentRow>(
    `update documents
        set title = coalesce($2, title), content = coalesce($3, content), updated_at = now()
      where id = $1
     returning ${columns}`,
    [id, change.title ?? null, change.content ?? null],
  )
  return documentOf(one(rows))
}

/** @throws {RowNotFoundError} */
export async function deleteDocument(tenancy: Tenancy, id: string): Promise<void> {
  const { rows } = await tenancy.query<{ id: string }>('delete from documents where id = $1 returning id', [id])
  one(rows)
}

function one<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new RowNotFoundError('This tenant has no such document.')
  return row
}

function documentOf(row: DocumentRow): Document {
  return {
    id: row.id,
    title: row.title,
    content: row.content,
    authorId: row.author_id,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}
