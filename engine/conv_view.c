/* What a convolution reads, for who wants to know more of it than its sums. */
#include <string.h>

#include "engine/plan_internal.h"
#include "engine/window_internal.h"

enum { INPUT, WEIGHT, BIAS };

static const struct cz_array *operand(const struct cz_step *step, size_t i)
{
    return i < step->n_inputs ? step->inputs[i] : NULL;
}

static bool is_viewable(const struct cz_plan *plan, size_t i)
{
    const struct cz_step *step = i < plan->n_steps ? plan->steps[i] : NULL;
    if (!step || strcmp(step->op->op_type, "Conv") != 0 || step->is_dynamic)
        return false;
    const struct cz_conv_params *params = step->params;
    const struct cz_array *x = step->inputs[INPUT];
    return params->window.spatial == 2 && x->layout == CZ_LAYOUT_PLAIN &&
           x->dtype == CZ_DTYPE_FLOAT && x->dims.size[0] == 1 &&
           !x->is_constant;
}

static const struct cz_tensor *tensor_of(const struct cz_array *array)
{
    return array && array->is_constant ? array->tensor : NULL;
}

bool cz_plan_conv(const struct cz_plan *plan, size_t i,
                  struct cz_conv_view *view)
{
    if (!is_viewable(plan, i))
        return false;
    const struct cz_step *step = plan->steps[i];
    const struct cz_conv_params *params = step->params;
    const struct cz_array *x = step->inputs[INPUT], *y = step->outputs[0];
    *view = (struct cz_conv_view){.weights = tensor_of(operand(step, WEIGHT)),
                                  .bias = tensor_of(operand(step, BIAS)),
                                  .has_bias = operand(step, BIAS) != NULL,
                                  .groups = (size_t)params->group,
                                  .outputs = (size_t)y->dims.size[1],
                                  .channels = (size_t)x->dims.size[1],
                                  .input = x->data};
    for (size_t d = 0; d < 2; d++) {
        view->size[d] = (size_t)x->dims.size[2 + d];
        view->out_size[d] = (size_t)y->dims.size[2 + d];
        view->kernel[d] = (size_t)params->window.kernel[d];
        view->strides[d] = (size_t)params->window.strides[d];
        view->dilations[d] = (size_t)params->window.dilations[d];
        view->pads[d] = (size_t)params->window.pads_begin[d];
    }
    return true;
}

/* Reading may load what is in a file beside the model: it is no change. */
static enum cz_status read_floats(float **floats,
                                  const struct cz_tensor *tensor,
                                  struct cz_error *err)
{
    return tensor ? cz_tensor_floats((struct cz_tensor *)tensor, floats, err)
                  : CZ_OK;
}

enum cz_status cz_conv_view_read(float **weights, float **bias,
                                 const struct cz_conv_view *view,
                                 struct cz_error *err)
{
    if (weights) {
        *weights = NULL;
        CZ_TRY(read_floats(weights, view->weights, err));
    }
    if (bias) {
        *bias = NULL;
        CZ_TRY(read_floats(bias, view->bias, err));
    }
    return CZ_OK;
}

void cz_conv_view_window(float *values, const struct cz_conv_view *view,
                         size_t y, size_t x)
{
    const size_t plane = view->size[0] * view->size[1];
    for (size_t c = 0; c < view->channels; c++) {
        const float *image = view->input + c * plane;
        for (size_t i = 0; i < view->kernel[0]; i++) {
            /* Before the image they wrap, and are beyond it, too. */
            const size_t row =
                y * view->strides[0] + i * view->dilations[0] - view->pads[0];
            for (size_t k = 0; k < view->kernel[1]; k++) {
                const size_t column = x * view->strides[1] +
                                      k * view->dilations[1] - view->pads[1];
                const bool is_inside =
                    row < view->size[0] && column < view->size[1];
                *values++ = is_inside ? image[row * view->size[1] + column] : 0;
            }
        }
    }
}
