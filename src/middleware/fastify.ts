// The adapter for Fastify 5: translate, admit, stay in scope, answer. Everything that decides is in http.ts and core/.
//
//   onRequest       who, which tenant; problem+json if not            (webhooks: in preParsing, once their body is here)
//   preParsing …    the body streams in, in the socket's context
//   preValidation   back into the tenant's scope, for the hooks of validation; and so in preHandler
//   last preHandler back into it, whatever hooks did: the handler and what it awaits are called from here
//   preSerialization, onSend, onError, onResponse, onRequestAbort, onTimeout: the same, for replies sent from elsewhere

import { Readable } from 'node:stream'
import type {
  DoneFuncWithErrOrRes,
  FastifyBaseLogger,
  FastifyInstance,
  FastifyPluginCallback,
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
} from 'fastify'
import { headerLines, rawPath } from '../core/http-request.ts'
import { requestIdOf } from '../core/request-id.ts'
import { RouteNotFoundError } from '../errors.ts'
import { readRequestBody } from './body.ts'
import { emitInScope } from './emit-in-scope.ts'
import { type Admission, admittedHeaders, HttpDoor, type HttpDoorOptions } from './http.ts'
import { describeError, type HttpProblem, problemOf } from './problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, and for which tenant. Undefined on public paths. */
    tenancy: Admission | undefined
  }
}

export interface TenancyPluginOptions extends HttpDoorOptions {
  /** Answer errors and unknown routes with problem+json. Default true; false if the application does so itself. */
  readonly handleErrors?: boolean | undefined
  /** Put the tenant's id on the request's log lines, and keep queries and drivers' values out of them. Default true. */
  readonly logging?: boolean | undefined
}

/**
 * For `Fastify({ logger: { serializers: logSerializers } })`: Fastify writes its line "incoming request" before any plugin
 * runs, by default with the query, which may hold secrets.
 */
export const logSerializers = Object.freeze({
  req: (request: FastifyRequest) => ({ method: request.method, path: rawPath(request.url ?? ''), route: request.routeOptions?.url }),
  res: (reply: { readonly statusCode: number }) => ({ statusCode: reply.statusCode }),
  err: (error: unknown) => describeError(error) as { type: string; message: string; stack: string },
})

/**
 * For `Fastify({ frameworkErrors })`: what the router itself refuses (a broken escape, an endless parameter) never reaches a
 * plugin; by default Fastify answers it with the path in the text.
 */
export function frameworkErrors(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(problemOf(error, { requestId: request.id }), reply)
}

/**
 * Every route registered after it (in other plugins too) serves verified members of one active tenant, or is public.
 * Register it first, with await, and what must answer without a tenant (CORS preflight) before it.
 *
 * @example
 * ```ts
 * await app.register(tenancyPlugin, { tenancy, identity: oidc({ … }), hints: [subdomain('app.example.com'), header()] })
 * app.get('/documents', (request) => list(request.tenancy.tenant))
 * ```
 */
export const tenancyPlugin: FastifyPluginCallback<TenancyPluginOptions> = Object.assign(
  function tenancy(app: FastifyInstance, options: TenancyPluginOptions, done: (error?: Error) => void) {
    const door = new HttpDoor(options)
    app.setGenReqId((raw) => requestIdOf({ headers: headerLines(raw.rawHeaders) }))
    app.decorateRequest('tenancy')
    addAdmission(app, door, options.logging ?? true)
    addScope(app)
    if (options.handleErrors ?? true) addProblems(app, door)
    done()
  },
  // What the package fastify-plugin would add: hooks and decorators are the parent's, not this plugin's alone.
  {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'partywall',
    [Symbol.for('plugin-meta')]: { name: 'partywall', fastify: '5.x' },
  },
)

function addAdmission(app: FastifyInstance, door: HttpDoor, logging: boolean): void {
  const waitingForBody = new WeakSet<FastifyRequest>()

  function admitted(request: FastifyRequest, reply: FastifyReply, admission: Admission): void {
    request.tenancy = admission
    reply.headers(admittedHeaders(admission))
    emitInScope(request.raw, admission)
    emitInScope(reply.raw, admission)
    if (logging) setLogger(request, reply, request.log.child({ tenantId: admission.tenant.id }, { serializers: logSerializers }))
  }

  app.addHook('onRequest', function admit(request, reply, done) {
    reply.header('x-request-id', request.id)
    const target = request.raw.url ?? '/'
    if (door.isPublic(target)) {
      if (logging) setLogger(request, reply, request.log.child({}, { serializers: logSerializers }))
      done()
      return
    }
    const incoming = { ...door.read(request.raw), route: request.routeOptions.url }
    if (door.needsBody(incoming)) {
      waitingForBody.add(request)
      done()
      return
    }
    door.admit(incoming, request.id).then((admission) => {
      admitted(request, reply, admission)
      admission.enter(done)
    }, done)
  })

  app.addHook('preParsing', function admitWithBody(request, reply, payload, done) {
    if (!waitingForBody.delete(request)) {
      done(null, payload)
      return
    }
    readRequestBody(payload, request.routeOptions.bodyLimit ?? 0)
      .then(async (body) => ({
        body,
        admission: await door.admit({ ...door.read(request.raw), route: request.routeOptions.url, body }, request.id),
      }))
      .then(
        ({ body, admission }) => {
          admitted(request, reply, admission)
          const again = Object.assign(Readable.from(body.length > 0 ? [body] : []), { receivedEncodedLength: body.length })
          admission.enter(() => done(null, again))
        },
        (error: Error) => done(error),
      )
  })
}

/** Brings the rest of the request's life back into its scope, wherever the event came from. */
function addScope(app: FastifyInstance): void {
  function enter(request: FastifyRequest, fn: () => void): void {
    if (request.tenancy === undefined) fn()
    else request.tenancy.enter(fn)
  }
  const withPayload = (request: FastifyRequest, _reply: FastifyReply, payload: unknown, done: DoneFuncWithErrOrRes) =>
    enter(request, () => done(null, payload))
  const without = (request: FastifyRequest, _reply: FastifyReply, done: HookHandlerDoneFunction) => enter(request, done)

  app.addHook('preValidation', without)
  app.addHook('preHandler', without)
  // Once more behind the last of the route's own hooks: a session store or a pool may call back in the context of whoever
  // filled its queue, and the handler would then run for another tenant.
  app.addHook('onRoute', (route) => {
    route.preHandler = [route.preHandler ?? [], without].flat()
  })
  app.addHook('preSerialization', withPayload)
  app.addHook('onSend', withPayload)
  app.addHook('onError', (request, _reply, _error, done) => enter(request, done))
  app.addHook('onResponse', without)
  app.addHook('onTimeout', without)
  app.addHook('onRequestAbort', (request, done) => enter(request, done))
}

function addProblems(app: FastifyInstance, door: HttpDoor): void {
  app.setErrorHandler(function answer(error, request, reply) {
    const problem = door.problem(error, request.id)
    const { stack, ...description } = describeError(error)
    const line = { code: problem.body.code, status: problem.status, error: problem.status >= 500 ? { ...description, stack } : description }
    if (problem.status >= 500) request.log.error(line, 'request failed')
    else request.log.info(line, 'request refused')
    sendProblem(problem, reply)
  })
  app.setNotFoundHandler(() => {
    throw new RouteNotFoundError('No route has this method and path.')
  })
}

/** As text: a route's response schema is for the route's own answers. */
function sendProblem(problem: HttpProblem, reply: FastifyReply): void {
  void reply.code(problem.status).headers(problem.headers).send(JSON.stringify(problem.body))
}

function setLogger(request: FastifyRequest, reply: FastifyReply, logger: FastifyBaseLogger): void {
  request.log = logger
  reply.log = logger
}
