// Attacks over HTTP, by somebody with a good account of its own, or with none.

import { createHmac, randomUUID } from 'node:crypto'
import { breached, held, type Verdict } from '../attack.ts'
import { asked, bodyOf, withQuery } from './asking.ts'
import {
  breaksOnRefusal,
  credentialUnchecked,
  ownerUnchecked,
  referenceUnchecked,
  searchUnchecked,
  sharedCache,
  sharedContext,
  tellsExistence,
} from './breaks.ts'
import type { KitAnswer } from './door.ts'
import { fuzzAttacks } from './fuzz-attacks.ts'
import { byBody, byHint, byQuery } from './hint-attacks.ts'
import { type HttpAttack, isCollection, isItem, isRead, isWrite, leakIn, verdictOf } from './http-attack.ts'
import type { HttpStage, HttpTarget } from './http-stage.ts'
import { oddIds, oddValues } from './odd-values.ts'
import { idsIn, sampleOf } from './sample.ts'

const sideBySide = 12

/** The attacker's own account, and the victim's ids. */
const byId: readonly HttpAttack[] = [
  {
    id: 'http.item',
    tries: 'an item of another tenant by its id',
    on: isItem,
    mutation: ownerUnchecked,
    run: async (stage, target) => verdictOf(stage, await asked(stage, target, target.victimPath), target.victimId),
  },
  {
    id: 'http.item.telling',
    tries: 'tell an item of another tenant from one that does not exist',
    on: (target) => isItem(target) && isRead(target),
    mutation: tellsExistence,
    run: indistinguishable,
  },
  {
    id: 'http.item.telling-write',
    tries: 'tell them apart by a change',
    on: (target) => isItem(target) && isWrite(target),
    mutation: ownerUnchecked,
    run: indistinguishable,
  },
  { id: 'http.item.warm', tries: 'an item that the victim has just asked for', on: isRead, mutation: sharedCache, run: warmed },
  {
    id: 'http.item.etag',
    tries: 'whether an item is still what the victim knows it to be',
    on: (target) => isItem(target) && isRead(target),
    mutation: ownerUnchecked,
    run: revalidated,
  },
  {
    id: 'http.list',
    tries: 'find it in a list',
    on: isCollection,
    mutation: ownerUnchecked,
    run: async (stage, target) => verdictOf(stage, await asked(stage, target, target.victimPath), ''),
  },
  { id: 'http.list.large', tries: 'find it in a list as long as can be', on: isCollection, mutation: ownerUnchecked, run: large },
  {
    id: 'http.list.side-by-side',
    tries: 'find it while the victim asks at the same moment',
    on: isRead,
    mutation: sharedContext,
    run: atOnce,
  },
  { id: 'http.cursor', tries: 'go on where a list of the victim’s ended', on: isCollection, mutation: ownerUnchecked, run: cursor },
  { id: 'http.create.reference', tries: 'refer to something of the victim’s', on: isWrite, mutation: referenceUnchecked, run: reference },
]

const pathForms: readonly (readonly [string, string, (path: string, id: string) => string])[] = [
  ['slash', 'with a slash behind it', (path) => `${path}/`],
  ['double-slash', 'with two slashes in it', (path) => path.replace(/\/([^/]*)$/, '//$1')],
  ['upper', 'in capitals', (path, id) => path.replace(id, id.toUpperCase())],
  ['braces', 'in braces', (path, id) => path.replace(id, `%7B${id}%7D`)],
  ['undashed', 'without dashes', (path, id) => path.replace(id, id.replaceAll('-', ''))],
  ['space', 'with a space behind it', (path) => `${path}%20`],
  ['nul', 'with a NUL behind it', (path) => `${path}%00`],
  ['dots', 'by way of the directory above', (path, id) => path.replace(id, `x/%2e%2e/${id}`)],
  ['semicolon', 'with a parameter of the path', (path, id) => `${path};tenant=${id}`],
  ['extension', 'as a file', (path) => `${path}.json`],
  ['encoded', 'with every letter encoded', (path, id) => path.replace(id, [...id].map((c) => `%${c.charCodeAt(0).toString(16)}`).join(''))],
  ['twice', 'encoded twice', (path, id) => path.replace(id, [...id].map((c) => `%25${c.charCodeAt(0).toString(16)}`).join(''))],
]

const byPath: readonly HttpAttack[] = pathForms.map(([form, words, write]) => ({
  id: `http.path.${form}`,
  tries: `an item of another tenant, its id ${words}`,
  on: isItem,
  mutation: spellingForgiven(write),
  run: async (stage, target) => verdictOf(stage, await asked(stage, target, write(target.victimPath, target.victimId)), target.victimId),
}))

/** A front that tidies paths up, and then asks past the wall. */
function spellingForgiven(write: (path: string, id: string) => string): HttpAttack['mutation'] {
  return {
    what: 'a path is tidied up, and everybody is answered as the victim would be',
    door: (stage) => (request) => {
      const meant = stage.targets.find(
        (target) => target.route.method === request.method && write(target.victimPath, target.victimId) === request.path,
      )
      return ownerUnchecked.door(stage)(meant === undefined ? request : { ...request, path: meant.victimPath })
    },
  }
}

const search: readonly HttpAttack[] = ['q', 'query', 'search', 'filter', 'name', 'where', 'sort', 'fields', 'include', 'expand'].map(
  (name) => ({
    id: `http.search.${name}`,
    tries: `the victim’s text as ${name} in the query`,
    on: isCollection,
    mutation: searchUnchecked,
    run: async (stage, target) => {
      for (const { text, victimRow } of stage.stage.targets) {
        if (text === undefined) continue
        const value = String(victimRow[text.name])
        const answer = await asked(stage, target, withQuery(target.victimPath, name, value))
        const others = leakIn(stage, answer, value)
        if (others !== undefined) return breached(others)
      }
      return held
    },
  }),
)

/** The credential is none, or somebody else's with a flaw. */
const byCredential: readonly HttpAttack[] = [
  anonymous('http.anonymous', 'without a credential', () => ({})),
  anonymous('http.anonymous.named', 'without a credential, naming the victim', ({ stage }) => ({ 'x-tenant-id': stage.victim.id })),
  anonymous('http.anonymous.host', 'without a credential, by the victim’s subdomain', ({ stage }) => ({
    host: `${stage.victim.slug}.localhost`,
  })),
  anonymous('http.credential.altered', 'with the victim’s credential, one character changed', ({ victim }) =>
    changed(victim, (text) => `${text.slice(0, -9)}${text.at(-9) === 'A' ? 'B' : 'A'}${text.slice(-8)}`),
  ),
  anonymous('http.credential.cut', 'with half of the victim’s credential', ({ victim }) =>
    changed(victim, (text) => text.slice(0, Math.ceil(text.length / 2))),
  ),
  anonymous('http.credential.lower', 'with the victim’s credential in small letters', ({ victim }) =>
    changed(victim, (text) => text.toLowerCase()),
  ),
  anonymous('http.credential.unsigned', 'with a token that names the victim, unsigned', (stage) => token(stage, { alg: 'none' }, () => '')),
  anonymous('http.credential.own-key', 'with a token that names the victim, signed with a key of one’s own', (stage) =>
    token(stage, { alg: 'HS256' }, (text) => createHmac('sha256', 'a key that nobody trusts').update(text).digest('base64url')),
  ),
  anonymous('http.credential.own-signature', 'with the victim’s token under the signature of one’s own', (stage) =>
    token(stage, { alg: 'HS256' }, () => stage.attacker['authorization']?.split('.')[2] ?? ''),
  ),
]

function anonymous(id: string, words: string, say: (stage: HttpStage) => Readonly<Record<string, string>> | undefined): HttpAttack {
  return {
    id,
    tries: words,
    on: isRead,
    mutation: credentialUnchecked,
    run: async (stage, target) => {
      const said = say(stage)
      if (said === undefined) return undefined
      const answer = await stage.door({ method: target.route.method, path: target.victimPath, headers: said })
      return verdictOf(stage, answer, target.victimId)
    },
  }
}

/** The credential's text is behind its scheme. */
function changed(headers: Readonly<Record<string, string>>, change: (text: string) => string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace(/\S+$/, change)]))
}

/** Undefined where credentials are no tokens. */
function token({ victim }: HttpStage, header: object, sign: (text: string) => string): Readonly<Record<string, string>> | undefined {
  const claims = /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(victim['authorization'] ?? '')?.[2]
  if (claims === undefined) return undefined
  const text = `${Buffer.from(JSON.stringify({ typ: 'JWT', ...header })).toString('base64url')}.${claims}`
  return { authorization: `Bearer ${text}.${sign(text)}` }
}

/** What no route expects. Five hundred and something is an answer that nobody has thought of. */
const odd: readonly HttpAttack[] = [
  ...oddIds.map(
    ([id, words, value]): HttpAttack => ({
      id: `http.odd-id.${id}`,
      tries: `an id that is ${words}`,
      on: isItem,
      mutation: breaksOnRefusal,
      run: async (stage, target) => {
        const odd = value(target.victimId)
        return verdictOf(
          stage,
          await asked(stage, target, target.victimPath.replace(encodeURIComponent(target.victimId), encodeURIComponent(odd))),
          `${odd} ${target.victimId}`,
        )
      },
    }),
  ),
  ...oddValues.map(
    ([id, words, value]): HttpAttack => ({
      id: `http.odd-query.${id}`,
      tries: `${words} in every parameter of the query`,
      on: (target) => isRead(target),
      mutation: breaksOnRefusal,
      run: async (stage, target) => {
        for (const name of [...target.route.query, 'kit']) {
          const leak = leakIn(stage, await asked(stage, target, withQuery(target.ownPath, name, String(value))), String(value))
          if (leak !== undefined) return breached(leak)
        }
        return held
      },
    }),
  ),
  ...oddValues.map(
    ([id, words, value]): HttpAttack => ({
      id: `http.odd-body.${id}`,
      tries: `${words} in the body`,
      on: (target) => isWrite(target) && target.route.method !== 'DELETE',
      mutation: breaksOnRefusal,
      run: async (stage, target) => {
        const sample = bodyOf(target) as object
        for (const body of [value, ...Object.keys(sample).map((key) => ({ ...sample, [key]: value }))]) {
          const leak = leakIn(
            stage,
            await asked(stage, target, target.hasId ? target.nobodyPath : target.ownPath, { body: body ?? null }),
            JSON.stringify(body) ?? '',
          )
          if (leak !== undefined) return breached(leak)
        }
        return held
      },
    }),
  ),
]

/** Every attack over HTTP. */
export const httpAttacks: readonly HttpAttack[] = [
  ...byId,
  ...byPath,
  ...byHint,
  ...byQuery,
  ...byBody,
  ...search,
  ...byCredential,
  ...odd,
  ...fuzzAttacks,
]

async function indistinguishable(stage: HttpStage, target: HttpTarget): Promise<Verdict> {
  const body = bodyOf(target)
  const [theirs, nobodys] = [
    await asked(stage, target, target.victimPath, { body }),
    await asked(stage, target, target.nobodyPath, { body }),
  ]
  const plain = (answer: KitAnswer): string => {
    const { date: _date, 'x-request-id': id = '-', ...rest } = answer.headers
    return JSON.stringify([answer.status, rest, answer.text])
      .replaceAll(id, '<request>')
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')
  }
  return plain(theirs) === plain(nobodys) ? held : breached(`${plain(theirs)} is not ${plain(nobodys)}`.slice(0, 300))
}

async function warmed(stage: HttpStage, target: HttpTarget): Promise<Verdict> {
  await stage.door({ method: target.route.method, path: target.victimPath, headers: stage.victim })
  return verdictOf(stage, await asked(stage, target, target.victimPath), target.victimId)
}

async function revalidated(stage: HttpStage, target: HttpTarget): Promise<Verdict> {
  const known = await stage.door({ method: target.route.method, path: target.victimPath, headers: stage.victim })
  const headers = { 'if-none-match': known.headers['etag'] ?? '*', 'if-modified-since': new Date(0).toUTCString() }
  const answer = await asked(stage, target, target.victimPath, { headers })
  return answer.status === 304 ? breached('304: it is still the same') : verdictOf(stage, answer, target.victimId)
}

async function large(stage: HttpStage, target: HttpTarget): Promise<Verdict> {
  for (const name of ['limit', 'per_page', 'page_size', 'size', 'count']) {
    const leak = leakIn(stage, await asked(stage, target, withQuery(target.victimPath, name, '100')), '')
    if (leak !== undefined) return breached(leak)
  }
  return held
}

async function atOnce(stage: HttpStage, target: HttpTarget): Promise<Verdict> {
  const request = (headers: Readonly<Record<string, string>>) =>
    stage.door({ method: target.route.method, path: target.victimPath, headers })
  const answers = await Promise.all(Array.from({ length: sideBySide }, (_, at) => request(at % 2 === 0 ? stage.attacker : stage.victim)))
  const leak = answers
    .map((answer, at) => (at % 2 === 0 ? leakIn(stage, answer, target.victimId) : undefined))
    .find((found) => found !== undefined)
  return leak === undefined ? held : breached(leak)
}

async function cursor(stage: HttpStage, target: HttpTarget): Promise<Verdict | undefined> {
  const mine = await stage.door({ method: 'GET', path: withQuery(target.victimPath, 'limit', '1'), headers: stage.victim })
  const found = /"(\w*(?:cursor|next|after|token)\w*)"\s*:\s*"([^"]+)"/i.exec(mine.text)
  if (found === null) return undefined
  for (const name of ['cursor', 'after', 'page_token', found[1] ?? 'next']) {
    const leak = leakIn(stage, await asked(stage, target, withQuery(target.victimPath, name, found[2] ?? '')), found[2] ?? '')
    if (leak !== undefined) return breached(leak)
  }
  return held
}

async function reference(stage: HttpStage, target: HttpTarget): Promise<Verdict | undefined> {
  const names = idsIn(target.route.body)
  if (names.length === 0) return undefined
  const path = target.hasId ? target.ownPath : target.victimPath
  const mark = `new-${randomUUID().slice(0, 8)}`
  const send = async (id: string): Promise<string> => {
    const answer = await asked(stage, target, path, { body: sampleOf(target.route.body, mark, () => id) })
    await stage.stage.restore()
    return `${answer.status} ${answer.text.replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')}`.replaceAll(
      /"\w*[tT]ime\w*":"[^"]*"|"\w*At":"[^"]*"/g,
      '',
    )
  }
  const nobodys = await send(randomUUID())
  for (const { telling, victimRow } of stage.stage.targets) {
    if (telling?.base !== 'uuid') continue
    const theirs = await send(String(victimRow[telling.name]))
    if (theirs !== nobodys) return breached(`${theirs} is not ${nobodys}`.slice(0, 300))
  }
  return held
}
