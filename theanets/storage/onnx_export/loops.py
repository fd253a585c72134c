"""Translation of loops over sequences: Theano's Scan becomes the ONNX operator of the same name.

Theano keeps a recurrent output in a buffer that starts with its initial value; ONNX hands values from step to step, and
collects them. Values that do not change in the loop are used by its body under the names that they have outside.
"""

from theano.scan_module.scan_op import Scan

from .builder import Builder, Untranslated, translates


def _check(op, node):
    if op.as_while:
        raise Untranslated(node, "a loop ends by a condition")
    if op.n_mit_mot or op.n_mit_sot:
        raise Untranslated(node, "a loop reads more than the last value of what it computes")
    if op.n_shared_outs:
        raise Untranslated(node, "a loop changes shared variables, as those that draw random numbers do")


@translates(Scan)
def scan(op, node, build, steps, *values):
    _check(op, node)
    from onnx import helper

    count_in, count_states = op.n_seqs, op.n_sit_sot
    count_new = op.n_nit_sot
    sequences, buffers = values[:count_in], values[count_in : count_in + count_states]
    # after the buffers come the lengths of the outputs without a state, then the non-sequences.
    constants = values[count_in + count_states + count_new :]
    first = build.constant(0, "int64")
    states = [build.add("Gather", buffer, first, axis=0) for buffer in buffers]

    body = Builder(build)
    inner = list(op.inputs)
    inner_sequences, inner_states = inner[:count_in], inner[count_in : count_in + count_states]
    body.names.update(zip(inner[count_in + count_states :], constants))
    inputs = [body.add_input(variable, body.fresh("state")) for variable in inner_states]
    inputs += [body.add_input(variable, body.fresh("item")) for variable in inner_sequences]
    try:
        results = body.translate(op.outputs)
    except Untranslated as error:
        # errors name the layer that owns the loop, since nodes inside of it are not in the outer graph.
        raise Untranslated(node, str(error)) from error
    named = list(zip(results, op.outputs))
    outputs = [body.add_output(value, body.fresh("next"), variable) for value, variable in named[:count_states]]
    outputs += [body.add_output(value, body.fresh("value"), variable) for value, variable in named]
    graph = helper.make_graph(body.nodes, build.fresh("body"), inputs, outputs)
    made = build.add("Scan", *states, *sequences, outputs=len(outputs), body=graph, num_scan_inputs=len(sequences))
    made = [made] if isinstance(made, str) else made
    collected = made[count_states:]
    # Theano's outputs begin with the initial value.
    zero = build.constant([0], "int64")
    starts = [build.add("Unsqueeze", state, zero) for state in states]
    outputs = [build.add("Concat", start, value, axis=0) for start, value in zip(starts, collected)]
    return outputs + collected[count_states:]
