// Attacks on the files of a tenancy. Register it where the application has files: `resources: [cacheProbe, filesProbe]`.

import { type FileKey, fileKey } from '../../resources/files/file-key.ts'
import { tenantPrefix } from '../../resources/files/object-key.ts'
import type { TenantFiles } from '../../resources/files/tenant-files.ts'
import type { TestTenant } from '../test-tenancy.ts'
import { breached, held, type Verdict } from './attack.ts'
import type { Parties, ResourceAttack, ResourceProbe } from './resource-attacks.ts'

interface Files extends Parties {
  readonly mine: TenantFiles
  readonly theirs: TenantFiles
}

/** What comes of a trick: text that was read, or what was told. */
type Trick = (files: Files) => Promise<string | undefined>

const key = fileKey('kit', 'a')
const secret = 'secret of the victim in a file'
const expiresInMs = 60_000

/** Tries to get at what the victim keeps, or at a word of it. What is refused is held. */
const gets: readonly (readonly [id: string, tries: string, trick: Trick])[] = [
  ['get', 'read under the victim’s key', ({ mine }) => textOf(mine, key)],
  ['part', 'read a part of it', async ({ mine }) => await read((await mine.get(key, { range: { start: 0, end: 100 } }))?.body)],
  ['head', 'ask whether it is there', async ({ mine }) => ((await mine.head(key)) === undefined ? undefined : secret)],
  ['list', 'list what begins like it', async ({ mine }) => ((await mine.list({ prefix: 'kit/' })).files.length > 0 ? secret : undefined)],
  [
    'copy',
    'copy it to a key of one’s own',
    async ({ mine }) => {
      await mine.copy(key, fileKey('kit', 'copy'))
      return await textOf(mine, fileKey('kit', 'copy'))
    },
  ],
  ['count', 'count it', async ({ mine }) => ((await mine.usage()).files > 0 ? secret : undefined)],
  ['sign', 'have its address signed', async ({ mine }) => ((await mine.signedUrl(key, { expiresInMs })).url === '' ? undefined : secret)],
  [
    'foreign-address',
    'use the victim’s address in one’s own scope',
    async ({ mine, theirs }) => {
      const { url } = await theirs.signedUrl(key, { expiresInMs })
      return (await mine.verifySignedUrl(url, { method: 'GET' })).key === key ? secret : undefined
    },
  ],
  [
    'foreign-ticket',
    'complete the victim’s upload as one’s own',
    async ({ mine, theirs }) => {
      const { ticket = '' } = await theirs.signedUrl(key, { method: 'PUT', expiresInMs })
      await mine.complete(ticket)
      return secret
    },
  ],
]

/** Keys that a store or an index could take for the victim’s: none of them may be a key at all. */
const tricks: readonly (readonly [id: string, tries: string, spell: (victim: TestTenant) => string])[] = [
  ['up', 'go up and down again', ({ id }) => `../${id}/kit/a`],
  ['prefix', 'spell the victim’s prefix', ({ id }) => `../../${tenantPrefix(id)}kit/a`],
  ['encoded', 'go up in another encoding', () => '%2e%2e/kit/a'],
  ['look-alike', 'spell dots that are none', () => '\uff0e\uff0e/kit/a'],
  ['nul', 'end the key early', () => 'kit/a\0.own'],
]

/** Tries to change what the victim keeps. */
const changes: readonly (readonly [id: string, tries: string, trick: (files: Files) => Promise<unknown>])[] = [
  ['overwrite', 'store under the victim’s key', ({ mine }) => mine.put(key, Buffer.from('taken'))],
  ['delete', 'delete it', ({ mine }) => mine.delete(key)],
  [
    'copy-over',
    'copy another file over it',
    async ({ mine }) => {
      await mine.put(fileKey('kit', 'own'), Buffer.from('taken'))
      await mine.copy(fileKey('kit', 'own'), key)
    },
  ],
]

/** The files of a tenancy. */
export const filesProbe: ResourceProbe = {
  name: 'files',
  attacks: [
    ...gets.map(([id, tries, trick]) =>
      attack(id, tries, async (files) =>
        (await trick(files).catch(() => undefined)) === secret ? breached('the victim’s file was reached') : held,
      ),
    ),
    ...tricks.map(([id, tries, spell]) =>
      attack(id, tries, async ({ mine, victim }) =>
        (await textOf(mine, spell(victim) as FileKey).catch(() => undefined)) === secret ? breached('the victim’s file was read') : held,
      ),
    ),
    ...changes.map(([id, tries, trick]) =>
      attack(id, tries, async (files) => {
        await trick(files).catch(() => {})
        const left = await textOf(files.theirs, key)
        return left === secret ? held : breached(`the victim finds ${JSON.stringify(left)} where its own file was`)
      }),
    ),
  ],
}

function attack(id: string, tries: string, judge: (files: Files) => Promise<Verdict>): ResourceAttack {
  const run = async (
    parties: Parties,
    open: (tenant: TestTenant) => Promise<TenantFiles>,
    door = (files: TenantFiles) => files,
  ): Promise<Verdict> => {
    for (const tenant of [parties.attacker, parties.victim]) await empty(parties, tenant)
    const theirs = await open(parties.victim)
    await theirs.put(key, Buffer.from(secret))
    const mine = door(await open(parties.attacker))
    return await judge({ ...parties, mine, theirs })
  }
  return {
    id: `files.${id}`,
    tries,
    run: (parties) => run(parties, (tenant) => tenant.run(() => parties.kit.tenancy.files())),
    mutation: {
      what: 'both tenants are handed one tenant’s files, and any text that ends like a key is that key',
      run: (parties) => run(parties, () => parties.victim.run(() => parties.kit.tenancy.files()), careless),
    },
  }
}

/** Files as they should not be. */
function careless(files: TenantFiles): TenantFiles {
  return { ...files, get: (asked, options) => files.get(asked.includes('kit/a') ? key : asked, options) }
}

/** The kit gives every table rows, this one too: they name nothing, and count. */
async function empty({ kit }: Parties, tenant: TestTenant): Promise<void> {
  await tenant.query('delete from stored_files')
  await tenant.run(() => kit.tenancy.files().sweep())
}

async function textOf(files: TenantFiles, asked: FileKey): Promise<string | undefined> {
  return await read((await files.get(asked))?.body)
}

async function read(body: AsyncIterable<Uint8Array> | undefined): Promise<string | undefined> {
  if (body === undefined) return undefined
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return String(Buffer.concat(pieces))
}
