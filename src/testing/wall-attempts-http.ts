// Over HTTP: an attacker with a good account of its own, or none, asks for what is the victim's.

import { createHmac, randomUUID } from 'node:crypto'
import { InternalError } from '../errors.ts'
import type { WallAttempt } from './wall-check.ts'
import { type RequestOptions, said, type WallAnswer } from './wall-doors.ts'
import type { WallParty, WallStage } from './wall-stage.ts'

const pagesMax = 100

/** Attempts that only look. */
export const httpReads: readonly WallAttempt[] = [
  { name: 'read an item of another tenant by its id', run: (stage) => notFound(stage, { method: 'GET' }) },
  { name: 'tell an item of another tenant from one that does not exist', run: indistinguishable },
  { name: 'find it in the list, all pages of it', run: listAll },
  { name: 'find it by searching for its text', run: (stage) => unseen(stage, `?q=${stage.mark}`) },
  { name: 'search with a quote and an OR', run: (stage) => unseen(stage, `?q=${encodeURIComponent(`' or true --`)}`) },
  { name: 'an id that is SQL', run: (stage) => unseen(stage, `/${encodeURIComponent(`${stage.itemId}' or true --`)}`) },
  { name: "go on from another tenant's cursor", run: replayCursor },
  {
    name: 'name another tenant in X-Tenant-ID, by slug',
    run: (stage) => asVictim(stage, stage.options.attacker, { 'x-tenant-id': stage.options.victim.tenant.slug }),
  },
  {
    name: 'name another tenant in X-Tenant-ID, by id',
    run: (stage) => asVictim(stage, stage.options.attacker, { 'x-tenant-id': stage.options.victim.tenant.id }),
  },
  {
    name: "come through another tenant's subdomain",
    run: (stage) => asVictim(stage, stage.options.attacker, { host: `${stage.options.victim.tenant.slug}.localhost` }),
  },
  {
    name: 'an API key with another tenant in X-Tenant-ID',
    run: (stage) =>
      asVictim(stage, undefined, { 'x-api-key': stage.options.attacker.apiKey, 'x-tenant-id': stage.options.victim.tenant.slug }),
  },
  {
    name: 'no credential, only the name of the tenant',
    run: (stage) => asVictim(stage, undefined, { 'x-tenant-id': stage.options.victim.tenant.slug }),
  },
  { name: 'a token that names another tenant, not signed (alg none)', run: (stage) => forged(stage, { alg: 'none' }, () => '') },
  {
    name: 'a token that names another tenant, signed with a key of ours',
    run: (stage) =>
      forged(stage, { alg: 'HS256' }, (text) =>
        createHmac('sha256', 'a key that nobody trusts, however long it is').update(text).digest('base64url'),
      ),
  },
  {
    name: 'a token that names another tenant, with a good signature of another token',
    run: (stage) => forged(stage, { alg: 'HS256' }, () => stage.options.attacker.token.split('.')[2] ?? ''),
  },
  { name: 'an API key with one character changed', isOfAttacker: true, run: alteredKey },
  { name: 'be served while suspended, by token', isOfAttacker: true, run: (stage) => suspended(stage, stage.suspended, {}) },
  {
    name: 'be served while suspended, by API key',
    isOfAttacker: true,
    run: (stage) => suspended(stage, undefined, { 'x-api-key': stage.suspended.apiKey }),
  },
  { name: '(control) lose sight of one’s own item', run: ownIsThere },
]

/** Attempts to write, after all others: one that got through would leave them nothing to find. The last one looks at the harm. */
export const httpWrites: readonly WallAttempt[] = [
  { name: 'write with another tenant in the body', run: foreignBody },
  { name: 'change an item of another tenant', run: (stage) => notFound(stage, { method: 'PATCH', body: sampleChange(stage) }) },
  { name: 'delete an item of another tenant', run: (stage) => notFound(stage, { method: 'DELETE' }) },
  { name: 'have changed anything of the victim by all that', run: untouched },
]

async function notFound(stage: WallStage, options: RequestOptions): Promise<string | undefined> {
  const answer = await stage.request(stage.options.attacker, stage.itemPath(stage.itemId), options)
  return answer.status === 404 && !hasMark(stage, answer) ? undefined : said(answer)
}

async function indistinguishable(stage: WallStage): Promise<string | undefined> {
  const ask = async (id: string) => withoutIds(await stage.request(stage.options.attacker, stage.itemPath(id)), id)
  const [theirs, nobodys] = [await ask(stage.itemId), await ask(randomUUID())]
  return theirs === nobodys ? undefined : `${theirs} is not ${nobodys}`
}

/** What may differ: when, and which request. */
function withoutIds({ status, headers, text }: WallAnswer, id: string): string {
  const { date: _date, 'x-request-id': requestId, ...rest } = headers
  return JSON.stringify({ status, rest, text }).replaceAll(String(requestId), '<request>').replaceAll(id, '<id>')
}

async function listAll(stage: WallStage): Promise<string | undefined> {
  let cursor: string | undefined
  let sawOwn = false
  for (let pages = 0; pages < pagesMax; pages++) {
    const query = cursor === undefined ? '?limit=100' : `?limit=100&cursor=${cursor}`
    const answer = await stage.request(stage.options.attacker, stage.options.probe.collection + query)
    if (answer.status !== 200) throw new InternalError(`The list cannot be tried: ${said(answer)}`)
    if (hasMark(stage, answer)) return said(answer)
    sawOwn ||= answer.text.includes(stage.ownMark)
    cursor = (JSON.parse(answer.text) as { readonly nextCursor?: string | null }).nextCursor ?? undefined
    if (cursor === undefined) break
  }
  if (!sawOwn) throw new InternalError('The attacker does not find its own item in the list: an empty list proves nothing.')
  return undefined
}

async function unseen(stage: WallStage, suffix: string): Promise<string | undefined> {
  const answer = await stage.request(stage.options.attacker, stage.options.probe.collection + suffix)
  if (answer.status >= 500) return said(answer)
  return hasMark(stage, answer) ? said(answer) : undefined
}

async function replayCursor(stage: WallStage): Promise<string | undefined> {
  const { collection } = stage.options.probe
  const mine = await stage.request(stage.options.victim, `${collection}?limit=1`)
  const cursor = (JSON.parse(mine.text) as { readonly nextCursor?: string | null }).nextCursor
  if (!cursor) throw new InternalError(`The victim has no second page: ${said(mine)}`)
  const answer = await stage.request(stage.options.attacker, `${collection}?cursor=${cursor}`)
  return answer.status >= 400 && answer.status < 500 && !hasMark(stage, answer) ? undefined : said(answer)
}

/** Must be refused outright, and must not show the item. */
async function asVictim(
  stage: WallStage,
  party: WallParty | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  for (const path of [stage.itemPath(stage.itemId), stage.options.probe.collection]) {
    const answer = await stage.request(party, path, { headers })
    if (![401, 404].includes(answer.status) || hasMark(stage, answer)) return said(answer)
  }
  return undefined
}

async function forged(stage: WallStage, header: object, sign: (text: string) => string): Promise<string | undefined> {
  const claims = JSON.parse(Buffer.from(stage.options.attacker.token.split('.')[1] ?? '', 'base64url').toString('utf8')) as object
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ typ: 'JWT', ...header })}.${part({ ...claims, tenant_id: [stage.options.victim.tenant.id] })}`
  return await asVictim(stage, undefined, { authorization: `Bearer ${text}.${sign(text)}` })
}

async function alteredKey(stage: WallStage): Promise<string | undefined> {
  const { apiKey } = stage.options.victim
  const altered = apiKey.slice(0, -1) + (apiKey.endsWith('a') ? 'b' : 'a')
  return await asVictim(stage, undefined, { 'x-api-key': altered })
}

async function foreignBody(stage: WallStage): Promise<string | undefined> {
  const { probe, attacker, victim } = stage.options
  const mark = `foreign-${stage.ownMark}`
  const body = { ...probe.sample(mark), tenant_id: victim.tenant.id, tenantId: victim.tenant.id }
  const answer = await stage.request(attacker, probe.collection, { method: 'POST', body })
  const seen = await stage.request(victim, `${probe.collection}?q=${mark}`)
  return seen.text.includes(mark) ? said(answer) : undefined
}

async function suspended(
  stage: WallStage,
  party: WallParty | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const answer = await stage.request(party, stage.options.probe.collection, { headers })
  return answer.status === 403 ? undefined : said(answer)
}

async function untouched(stage: WallStage): Promise<string | undefined> {
  const answer = await stage.request(stage.options.victim, stage.itemPath(stage.itemId))
  return answer.status === 200 && hasMark(stage, answer) ? undefined : said(answer)
}

async function ownIsThere(stage: WallStage): Promise<string | undefined> {
  const answer = await stage.request(stage.options.attacker, stage.itemPath(stage.ownItemId))
  return answer.status === 200 && answer.text.includes(stage.ownMark) ? undefined : said(answer)
}

function sampleChange(stage: WallStage): unknown {
  return stage.options.probe.sample(`taken over by ${stage.ownMark}`)
}

/** A mark that was only asked for, and is quoted in no answer of ours. */
function hasMark(stage: WallStage, answer: WallAnswer): boolean {
  return answer.text.includes(stage.mark)
}
