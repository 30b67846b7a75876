// How services break: a door in front of the real one that does what a mistake in it would do.

import type { KitAnswer, KitDoor, KitRequest } from './door.ts'
import type { HttpStage } from './http-stage.ts'

/** A change that must let an attack through. */
export interface HttpMutation {
  readonly what: string
  readonly door: (stage: HttpStage) => KitDoor
}

const asVictim = (stage: HttpStage, request: KitRequest): KitRequest => ({
  ...request,
  headers: { ...without(request.headers, stage.attacker), ...stage.victim },
})

/** Nobody looks whose it is that is asked for. */
export const ownerUnchecked: HttpMutation = {
  what: 'the handler asks past the wall: everybody is answered as the victim would be',
  door: (stage) => (request) => stage.door(asVictim(stage, request)),
}

/** What is named in the request is believed. */
export function believes(what: string, isNamed: (request: KitRequest, stage: HttpStage) => boolean): HttpMutation {
  return {
    what: `the service believes ${what}`,
    door: (stage) => (request) => stage.door(isNamed(request, stage) ? asVictim(stage, request) : request),
  }
}

/** The same of a body: what it names is taken out, and believed. */
export function believesBody(name: string): HttpMutation {
  return {
    what: `the service believes ${name} in the body`,
    door: (stage) => (request) => {
      const body = (request.body ?? {}) as Readonly<Record<string, unknown>>
      if (!Object.hasOwn(body, name)) return stage.door(request)
      const rest = Object.fromEntries(Object.entries(body).filter(([key]) => key !== name))
      return stage.door(asVictim(stage, { ...request, body: rest }))
    },
  }
}

/** What is searched for is not asked of the tenant's own rows alone. */
export const searchUnchecked: HttpMutation = {
  what: 'a search asks past the wall, whatever its words',
  door: (stage) => (request) => stage.door(asVictim(stage, { ...request, path: request.path.replace(/\?.*$/, '') })),
}

/** A credential is not looked at closely. */
export const credentialUnchecked: HttpMutation = {
  what: 'a credential that is not the attacker’s own is not verified',
  door: (stage) => (request) => {
    const isOwn = Object.entries(stage.attacker).every(([name, value]) => request.headers[name] === value)
    return stage.door(isOwn ? request : asVictim(stage, { ...request, headers: without(request.headers, stage.victim) }))
  },
}

/** "Forbidden" instead of "not found". */
export const tellsExistence: HttpMutation = {
  what: 'the service says 403 to what is another’s, and 404 to what is nobody’s',
  door: (stage) => async (request) => {
    const answer = await stage.door(request)
    if (answer.status < 400 || request.body !== undefined || request.method !== 'GET') return answer
    const theirs = await stage.door(asVictim(stage, request))
    return theirs.status < 300 ? { ...answer, status: 403 } : answer
  },
}

/** What it does not expect breaks it. */
export const breaksOnRefusal: HttpMutation = {
  what: 'the service answers 500 to what it does not expect',
  door: (stage) => async (request) => {
    const answer = await stage.door(request)
    const isExpected = Object.entries(stage.attacker).every(([name, value]) => request.headers[name] === value) && isPlain(request)
    return isExpected ? answer : { ...answer, status: 500, text: 'Internal Server Error' }
  },
}

/** An answer is kept by its path alone. */
export const sharedCache: HttpMutation = {
  what: 'answers are cached by their path, for everybody',
  door: (stage) => {
    const kept = new Map<string, KitAnswer>()
    return async (request) => {
      const key = `${request.method} ${request.path}`
      const known = kept.get(key)
      if (known !== undefined) return known
      const answer = await stage.door(request)
      if (request.method === 'GET' && answer.status === 200) kept.set(key, answer)
      return answer
    }
  },
}

/** Whose request it is stands in one place for all requests. */
export const sharedContext: HttpMutation = {
  what: 'the tenant of a request is kept in one variable, for all requests that run',
  door: (stage) => {
    let current: KitRequest['headers'] = stage.attacker
    return async (request) => {
      current = request.headers
      await new Promise((resolve) => setImmediate(resolve))
      return await stage.door({ ...request, headers: { ...request.headers, ...current } })
    }
  },
}

/** A body's reference is not looked up among one's own. */
export const referenceUnchecked: HttpMutation = {
  what: 'a reference in a body is taken as it is, if only it exists',
  door: (stage) => async (request) => {
    const theirs = stage.stage.secrets.some((secret) => JSON.stringify(request.body ?? null).includes(secret))
    return theirs ? { status: 201, headers: {}, text: '{}' } : await stage.door(request)
  },
}

function without(headers: KitRequest['headers'], gone: KitRequest['headers']): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !(name in gone)))
}

function isPlain({ path, body }: KitRequest): boolean {
  return /^\/[A-Za-z0-9/_-]*$/.test(path) && body === undefined
}
