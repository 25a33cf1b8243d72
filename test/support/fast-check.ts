import fc from 'fast-check';

// The same examples in every run, so that a failure can be seen again; and an end, however long the way to the smallest example that fails:
// the loop over examples is synchronous for most properties, and mocha's timeout cannot interrupt that.
fc.configureGlobal({ seed: 20_260_101 });
fc.installGlobalPlugin(fc.interruptAfterTimeLimit(8_000));

export { fc };
