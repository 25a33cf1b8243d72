/** Which attempt of its caller a request is, from 1. Outbound calls carry it, and a service that is asked a second time may go easier on others. */
export const ATTEMPT_HEADER = 'x-attempt-count';
