/** Drawn in endpoint.ts. */
export type EndpointState = 'created' | 'starting' | 'running' | 'stopping' | 'stopped';
